"""Text to speak: WordNet examples and definitions, and sentences of the field by template.

In: Debian's `wordnet-base` glosses and a seed. Out: sentences already spelled out (numbers in words),
made of letters, apostrophes and . , ? ! ; : - only. Two endless, reproducible streams: `spoken` for the
audio corpus and `scripted` for text whose durations alone are used.
"""

import random
import re
from collections import Counter
from pathlib import Path

from num2words import num2words

WORDNET = Path("/usr/share/wordnet")
COMMON_WORDS, SALAD_SHARE, PROSE_SHARE = 20_000, 0.25, 0.45
ALLOWED = re.compile(r"[A-Za-z '.,?!;:-]+")

STREETS = """Abbey Acorn Albert Alder Ash Baker Bank Beech Bell Birch Bishop Bridge Broad Brook Canal Castle
Cedar Chapel Cherry Church College Commerce Court Cross Crown Dale Dock Duke Elm Factory Farm Fern Field Forge
Garden George Grange Green Grove Hall Harbour Hawthorn Hazel Hill Holly Jubilee King Lake Lincoln Lime Linden
Mill Madison Manor Maple Market Meadow Monroe Moor North Oak Orchard Oxford Park Pine Poplar Prince Priory Queen
Railway Richmond River Rose School South Spring Station Stone Sycamore Temple Tower Union Valley Victoria Walnut
Washington Water Wells West Willow Windsor Wood York""".split()
ROADS = "Street Road Avenue Lane Drive Way Square Close Place Boulevard Crescent Terrace Court".split()
TOWNS = """Aberdeen Albany Amsterdam Athens Austin Barcelona Bath Belfast Berlin Birmingham Boston Brighton
Bristol Brussels Buffalo Cambridge Cardiff Chicago Cologne Copenhagen Dallas Denver Derby Detroit Dover Dublin
Durham Edinburgh Exeter Florence Frankfurt Geneva Glasgow Hamburg Houston Leeds Lisbon Liverpool London Lyon
Madrid Manchester Memphis Miami Milan Munich Nashville Newcastle Norwich Nottingham Oslo Oxford Paris Phoenix
Portland Prague Reading Rome Seattle Sheffield Stockholm Toronto Venice Vienna Warsaw Zurich""".split()
SHOPS = """bakery bank bookshop cafe canteen cinema clinic dentist gallery garage gym hotel kiosk kitchen
laundry library market museum office pharmacy pool post_office reception restaurant school shop station
supermarket theatre ticket_office workshop zoo""".replace("\n", " ").split()
ITEMS = """apples bread butter carrots cheese coffee cups eggs flour flowers gloves honey juice lamps lemons milk
mushrooms nails onions oranges pencils pepper plates potatoes rice salt sandwiches screws shoes soup stamps
strawberries sugar tea tickets tomatoes towels water yoghurt""".split()
ROOMS = """attic balcony basement bathroom bedroom corridor dining_room entrance garage garden hall kitchen
laboratory living_room lobby nursery office study workshop loading_bay storage_room""".replace("\n", " ").split()
PARTS = """arm battery brake brush camera charger compressor door engine fan filter gripper heater lamp lid
microphone motor pump relay scanner sensor speaker tray valve wheel""".split()
NAMES = """Alice Amir Anna Ben Carlos Chloe Daniel David Ella Emma Eva Felix Fiona George Grace Hannah Harry
Helen Hugo Ivan Jack James Jane John Julia Karen Laura Leo Lucy Maria Mark Martin Maya Michael Mina Nina Noah
Oliver Omar Paul Peter Priya Rachel Robert Rosa Sam Sarah Sophie Stephen Thomas Tom Victor William Yusuf Zoe""".split()
SURNAMES = """Adams Baker Brown Campbell Carter Clark Cooper Davies Evans Fisher Garcia Green Harris Hughes
Jackson Johnson Jones Kelly King Lee Lopez Martin Miller Moore Morgan Murphy Nelson Novak Parker Patel Quinn
Roberts Robinson Schmidt Scott Singh Smith Taylor Thompson Turner Walker Watson White Wilson Wright Young""".split()
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def number(value, to="cardinal"):
    """A number in words: letters, spaces and hyphens only."""
    return num2words(value, to=to).replace(",", "")


class Field:
    """Sentences a car, kiosk or robot says, drawn with one random generator."""

    def __init__(self, rng):
        self.rng = rng
        self.kinds = [
            self.turn,
            self.arrival,
            self.clock,
            self.date,
            self.price,
            self.gate,
            self.opening,
            self.robot,
            self.question,
            self.answer,
            self.person,
            self.weather,
            self.spelled,
            self.count,
            self.order,
            self.year,
        ]

    def sentence(self):
        return self.rng.choice(self.kinds)()

    def pick(self, words):
        return self.rng.choice(words).replace("_", " ")

    def distance(self):
        if self.rng.random() < 0.6:
            value = self.rng.choice([20, 30, 50, 80, 100, 150, 200, 250, 300, 400, 500, 600, 700, 800, 900])
            return f"{number(value)} {self.pick(['meters', 'metres', 'yards', 'feet'])}"
        unit = self.pick(["miles", "kilometres"])
        if self.rng.random() < 0.4:
            return f"{number(self.rng.randint(1, 9))} point {number(self.rng.randint(1, 9))} {unit}"
        return f"{number(self.rng.randint(2, 99))} {unit}"

    def road(self):
        if self.rng.random() < 0.2:
            return self.pick(
                [
                    "the motorway",
                    "the highway",
                    "the ring road",
                    "the roundabout",
                    "the slip road",
                    f"route {number(self.rng.randint(1, 99))}",
                    f"the {self.rng.choice('AMB')} {number(self.rng.randint(1, 99))}",
                ]
            )
        return f"{self.pick(STREETS)} {self.pick(ROADS)}"

    def turn(self):
        act = self.pick(
            [
                "turn left",
                "turn right",
                "keep left",
                "keep right",
                "go straight on",
                "make a U-turn",
                "take the exit",
                f"take the {number(self.rng.randint(1, 6), 'ordinal')} exit",
                "bear left",
                "bear right",
                "merge",
            ]
        )
        onto = self.pick(["onto", "at", "towards"])
        form = self.rng.randrange(5)
        if form == 0:
            return f"In {self.distance()}, {act} {onto} {self.road()}."
        if form == 1:
            road, then = self.road(), self.pick(["turn left", "turn right", "continue"])
            return f"{act.capitalize()} {onto} {road}, then {then} for {self.distance()}."
        if form == 2:
            return f"After {self.distance()}, {act}."
        if form == 3:
            return f"Continue on {self.road()} for {self.distance()}, then {act} {onto} {self.road()}."
        return f"{act.capitalize()} now."

    def arrival(self):
        minutes = number(self.rng.randint(2, 59))
        return self.rng.choice(
            [
                f"You will reach {self.pick(TOWNS)} in {minutes} minutes.",
                f"Your destination, {number(self.rng.randint(1, 199))} {self.road()}, is on the {self.pick(['left', 'right'])}.",
                f"There is heavy traffic on {self.road()}; expect a delay of {minutes} minutes.",
                f"The fastest route to {self.pick(TOWNS)} takes {minutes} minutes and avoids {self.road()}.",
                f"You have arrived at {self.road()}.",
            ]
        )

    def time(self):
        hour = self.rng.randint(1, 12)
        minute = self.rng.randint(0, 59)
        form = self.rng.randrange(4)
        if form == 0 or minute == 0:
            return f"{number(hour)} o'clock"
        if form == 1:
            return self.pick(
                [
                    f"half past {number(hour)}",
                    f"quarter past {number(hour)}",
                    f"quarter to {number(hour)}",
                    f"ten to {number(hour)}",
                    f"twenty past {number(hour)}",
                ]
            )
        spoken = number(minute) if minute > 9 else f"oh {number(minute)}"
        return f"{number(hour)} {spoken}" + self.pick(["", " a m", " p m", " in the morning", " in the evening"])

    def clock(self):
        return self.rng.choice(
            [
                f"It is {self.time()}.",
                f"The time is {self.time()}.",
                f"The next train leaves at {self.time()}.",
                f"Your appointment is at {self.time()} on {self.pick(DAYS)}.",
                f"Set an alarm for {self.time()}.",
                f"The meeting in the {self.pick(ROOMS)} starts at {self.time()}.",
            ]
        )

    def day(self):
        ordinal = number(self.rng.randint(1, 31), "ordinal")
        return self.rng.choice(
            [
                f"the {ordinal} of {self.pick(MONTHS)}",
                f"{self.pick(MONTHS)} {ordinal}",
                f"{self.pick(DAYS)} the {ordinal}",
                f"{self.pick(DAYS)}, {self.pick(MONTHS)} {ordinal}",
            ]
        )

    def date(self):
        return self.rng.choice(
            [
                f"Today is {self.day()}.",
                f"The exhibition opens on {self.day()}.",
                f"Your parcel arrives on {self.day()}.",
                f"{self.pick(NAMES)} was born on {self.day()}.",
                f"We are closed on {self.day()}.",
            ]
        )

    def year(self):
        value = number(self.rng.randint(1700, 2059), "year")
        return self.rng.choice(
            [
                f"The {self.pick(SHOPS)} was built in {value}.",
                f"It happened in {value}.",
                f"In {value}, {self.pick(NAMES)} {self.pick(SURNAMES)} moved to {self.pick(TOWNS)}.",
            ]
        )

    def money(self):
        unit, part = self.rng.choice([("dollars", "cents"), ("pounds", "pence"), ("euros", "cents")])
        whole = number(self.rng.randint(2, 250))
        return f"{whole} {unit}" + (f" and {number(self.rng.randint(2, 99))} {part}" if self.rng.random() < 0.5 else "")

    def price(self):
        return self.rng.choice(
            [
                f"That will be {self.money()}, please.",
                f"The {self.pick(ITEMS)} cost {self.money()}.",
                f"A ticket to {self.pick(TOWNS)} is {self.money()}.",
                f"Your change is {self.money()}.",
                f"{self.pick(ITEMS).capitalize()} are {self.money()} today, or {self.money()} for two.",
            ]
        )

    def gate(self):
        platform = number(self.rng.randint(1, 30))
        letter = self.rng.choice(LETTERS)
        return self.rng.choice(
            [
                f"The train to {self.pick(TOWNS)} leaves from platform {platform}.",
                f"Please go to gate {letter} {platform}.",
                f"Flight {letter} {self.rng.choice(LETTERS)} {self.digits(3)} is delayed.",
                f"Counter {platform} is now open.",
                f"Now boarding at gate {platform}: {self.pick(TOWNS)} and {self.pick(TOWNS)}.",
                f"Number {number(self.rng.randint(1, 500))}, please go to desk {platform}.",
            ]
        )

    def digits(self, count):
        return " ".join(
            "oh" if d == 0 and self.rng.random() < 0.5 else number(d) for d in (self.rng.randrange(10) for _ in range(count))
        )

    def opening(self):
        hours = f"The {self.pick(SHOPS)} is open from {self.time()} until {self.time()}."
        closing = f"On {self.pick(DAYS)}s the {self.pick(SHOPS)} closes at {self.time()}."
        shop, floor = self.pick(SHOPS), number(self.rng.randint(1, 12), "ordinal")
        return self.rng.choice([hours, closing, f"The {shop} is on the {floor} floor, next to the {self.pick(SHOPS)}."])

    def robot(self):
        level = number(self.rng.randint(1, 100))
        part = self.pick(PARTS)
        return self.rng.choice(
            [
                f"The battery is at {level} percent.",
                f"I am on my way to the {self.pick(ROOMS)}.",
                f"The {part} needs to be cleaned.",
                f"Please check the {part}; it does not respond.",
                f"I could not find the {self.pick(ITEMS)} in the {self.pick(ROOMS)}.",
                f"Warning: the temperature of the {part} is {level} degrees.",
                f"I have finished cleaning the {self.pick(ROOMS)} and will return to the charger.",
                "Obstacle ahead. Waiting.",
                f"Step back, the {part} is moving.",
                f"Error {self.rng.choice(LETTERS)} {self.digits(2)}: the {part} is blocked.",
            ]
        )

    def question(self):
        return self.rng.choice(
            [
                f"Where is the {self.pick(SHOPS)}?",
                f"Would you like {self.pick(ITEMS)} or {self.pick(ITEMS)}?",
                f"What time does the {self.pick(SHOPS)} open on {self.pick(DAYS)}?",
                f"How far is it to {self.pick(TOWNS)}?",
                f"Shall I bring the {self.pick(ITEMS)} to the {self.pick(ROOMS)}?",
                f"Did {self.pick(NAMES)} call you?",
                f"How many {self.pick(ITEMS)} do you need?",
                f"Can you hear me, {self.pick(NAMES)}?",
                f"Which {self.pick(ROOMS)} should I clean first?",
                f"Who left the {self.pick(ITEMS)} in the {self.pick(ROOMS)}?",
                f"Why is the {self.pick(PARTS)} so loud?",
                f"Is the {self.pick(SHOPS)} still open?",
            ]
        )

    def answer(self):
        return self.rng.choice(
            [
                f"Yes, the {self.pick(SHOPS)} is around the corner.",
                f"No, there are no {self.pick(ITEMS)} left.",
                "Sorry, I did not understand that.",
                f"Of course, {self.pick(NAMES)}.",
                f"Thank you, {self.pick(NAMES)}, that helps.",
                f"I have added {self.pick(ITEMS)} to your list.",
                "You are welcome.",
                "One moment, please.",
                f"I will remind you about the {self.pick(ITEMS)} at {self.time()}.",
                f"The lights in the {self.pick(ROOMS)} are off.",
            ]
        )

    def person(self):
        full = f"{self.pick(NAMES)} {self.pick(SURNAMES)}"
        return self.rng.choice(
            [
                f"{full} is waiting in the {self.pick(ROOMS)}.",
                f"You have a message from {full}.",
                f"Calling {full}.",
                f"{full} and {self.pick(NAMES)} {self.pick(SURNAMES)} live in {self.pick(TOWNS)}.",
                f"Mister {self.pick(SURNAMES)}, your table is ready.",
                f"Doctor {self.pick(SURNAMES)} will see you now.",
            ]
        )

    def weather(self):
        sky = self.pick(["sunny", "cloudy", "windy", "foggy", "rainy", "stormy", "cold", "mild", "humid"])
        return self.rng.choice(
            [
                f"In {self.pick(TOWNS)} it will be {sky} with {number(self.rng.randint(1, 35))} degrees.",
                f"Tomorrow will be {sky} in the morning and {self.pick(['dry', 'wet', 'bright', 'grey'])} later on.",
                f"There is a {number(self.rng.choice(range(10, 100, 10)))} percent chance of rain in {self.pick(TOWNS)}.",
            ]
        )

    def spelled(self):
        letters = [self.rng.choice(LETTERS) for _ in range(self.rng.randint(2, 6))]
        joined = self.pick([", ", " ", "-"]).join(letters)
        return self.rng.choice(
            [
                f"{joined}.",
                f"Your code is {joined}.",
                f"It is spelled {joined}.",
                f"The plate is {' '.join(letters[:2])} {self.digits(2)} {' '.join(letters[2:4])}.",
            ]
        )

    def count(self):
        first = self.rng.randint(1, 90)
        return self.rng.choice(
            [
                ", ".join(number(first + i) for i in range(self.rng.randint(3, 6))) + ".",
                f"The number is {self.digits(self.rng.randint(3, 8))}.",
                f"{number(self.rng.randint(100, 9999))}.",
                f"{number(self.rng.randint(2, 12))} times {number(self.rng.randint(2, 12))} is {number(self.rng.randint(4, 144))}.",
            ]
        ).capitalize()

    def order(self):
        def item():
            return f"{number(self.rng.randint(2, 20))} {self.pick(ITEMS)}"

        return self.rng.choice(
            [
                f"Your order is {item()}, {item()} and {item()}.",
                f"Add {item()} to the basket.",
                f"{item()}, please.".capitalize(),
                f"We have {item()} and {item()} in stock.",
            ]
        )


def clean(text):
    """The sentence with a capital and a full stop, or None where a character is not speakable."""
    text = re.sub(r"\s+", " ", text).strip(" ,;:-")
    if not ALLOWED.fullmatch(text) or not re.search("[A-Za-z]{2}", text):
        return None
    text = text[0].upper() + text[1:]
    return text if text[-1] in ".?!" else text + "."


def wordnet():
    """(example sentences, definitions, single words) in a fixed order."""
    examples, definitions, words = set(), set(), set()
    for path in sorted(WORDNET.glob("data.*")):
        for line in path.read_text(errors="ignore").splitlines():
            head, bar, gloss = line.partition(" | ")
            if not bar or head.startswith(" "):
                continue
            word = head.split()[4].split("(")[0]
            if re.fullmatch("[a-z]{2,14}", word):
                words.add(word)
            for quoted in re.findall(r'"([^"]{8,220})"', gloss):
                if text := clean(quoted):
                    examples.add(text)
            text = clean(re.sub(r"\([^)]*\)", " ", re.split(r'; "|; \(|"', gloss)[0]).strip())
            if text and 3 <= text.count(" ") <= 25:
                definitions.add(text)
    return sorted(examples), sorted(definitions), sorted(words)


class Salad:
    """Sentences that mean nothing, of words that a lexicon knows: each as often as any other."""

    FORMS = (
        "{}.",
        "{} {}.",
        "The {} of {}.",
        "A {} {} {}.",
        "{}, {} and {}.",
        "{}, {}, {}, {}.",
        "Is the {} {}?",
        "The {} {} the {} {}.",
        "It was {}, but {} and {} were {} in {}.",
        "{} {} to {}; {} {} for {}.",
        "We {} {} with a {} {} from the {}.",
    )

    def __init__(self, rng, words):
        self.rng, self.words, self.turn = rng, words, 0
        rng.shuffle(words)

    def sentence(self):
        form = self.rng.choice(self.FORMS)
        count = form.count("{}")
        self.turn += count
        return clean(form.format(*(self.words[(self.turn + i) % len(self.words)] for i in range(count))))


def common(texts, lexicons, most):
    """The most frequent words of the texts that all lexicons have, then words in no order: `most` in all."""
    seen = Counter(word for text in texts for word in re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower()))
    known = [word for word, _ in seen.most_common() if all(word in of for of in lexicons)]
    return known[:most]


class Script:
    """An endless, reproducible stream of utterances from one word to about twenty seconds."""

    def __init__(self, seed, definitions_share, prose=(), lexicons=()):
        """With prose and lexicons most of it is prose, and some of it a salad of common words."""
        self.rng = random.Random(seed)
        self.field = Field(self.rng)
        self.examples, self.definitions, self.words = wordnet()
        self.prose = list(prose)
        for pool in (self.examples, self.definitions, self.words, self.prose):
            self.rng.shuffle(pool)
        every = [*self.prose, *self.examples, *self.definitions]
        self.salad = Salad(self.rng, common(every, lexicons, COMMON_WORDS)) if lexicons else None
        self.definitions_share = definitions_share
        self.turn = 0

    def sentence(self):
        self.turn += 1
        kind = self.rng.random()
        if self.salad and kind < SALAD_SHARE:
            return self.salad.sentence()
        if self.prose and kind < SALAD_SHARE + PROSE_SHARE:
            return self.prose[self.turn % len(self.prose)]
        if self.rng.random() < 0.3:
            return clean(self.field.sentence()) or self.sentence()
        pool = self.definitions if self.rng.random() < self.definitions_share else self.examples
        return pool[self.turn % len(pool)]

    def short(self):
        if self.rng.random() < 0.25:
            return self.rng.choice(LETTERS) + "."
        words = self.rng.sample(self.words, self.rng.choice([1, 1, 1, 2, 3]))
        return " ".join(words).capitalize() + self.rng.choice([".", ".", ".", "?", "!"])

    def utterance(self):
        kind = self.rng.random()
        if kind < 0.08:
            return self.short()
        if kind < 0.72:
            return self.sentence()
        target, text = self.rng.randint(80, 260), self.sentence()
        while len(text) < target:
            text += " " + self.sentence()
        return text[:300].rsplit(".", 1)[0] + "." if len(text) > 300 else text
