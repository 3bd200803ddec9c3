"""Phones of different sources made comparable: IPA, misaki's symbols and CMUdict's ARPAbet as rows of the same classes.

What accents and dictionaries write differently without meaning another word is one class: the vowels of "cot" and "caught", unstressed
vowels, r-coloured ones, the flapped t, syllabic consonants, length.
"""

import re

ARPABET = {
    **{"AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "EH": "ɛ", "ER": "ɜɹ", "EY": "eɪ", "IH": "ɪ", "IY": "i"},
    **{"OW": "oʊ", "OY": "ɔɪ", "UH": "ʊ", "UW": "u", "CH": "tʃ", "DH": "ð", "HH": "h", "JH": "dʒ", "NG": "ŋ", "R": "ɹ", "SH": "ʃ"},
    **{"TH": "θ", "Y": "j", "ZH": "ʒ"},
}
MISAKI = {"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "T": "t", "ʧ": "tʃ", "ʤ": "dʒ", "ᵊ": "ə", "ᵻ": "ɪ"}
SAME = (
    *(("ː", ""), ("ˑ", ""), ("\u0361", ""), ("\u0329", ""), ("'", "ˈ"), ("‿", ""), ("-", ""), (".", ""), ("ʔ", "t"), ("ɾ", "t")),
    *(("g", "ɡ"), ("r", "ɹ"), ("ɻ", "ɹ"), ("ɫ", "l"), ("ʧ", "tʃ"), ("ʤ", "dʒ"), ("ᵊ", "ə"), ("ᵻ", "ə"), ("ɐ", "ə"), ("ɨ", "ə")),
    *(("ɚ", "əɹ"), ("ɝ", "ɜɹ"), ("ɜ", "ə"), ("əʊ", "oʊ"), ("ɔɪ", "1"), ("oʊ", "2"), ("aʊ", "3"), ("aɪ", "4"), ("eɪ", "5")),
    *(("e", "ɛ"), ("o", "2"), ("a", "ɑ"), ("ɒ", "ɑ"), ("ɔ", "ɑ"), ("2ɹ", "ɑɹ"), ("5ɹ", "ɛɹ"), ("iɹ", "ɪɹ"), ("iəɹ", "ɪɹ"), ("uɹ", "ʊɹ"), ("ʊəɹ", "ʊɹ"), ("ʍ", "w"), ("x", "k")),
)
VOWELS = "12345iæɛɑʌuʊɪə"


def classes(ipa):
    """A row of classes; primary stress stands before its vowel, unstressed short vowels are one."""
    for a, b in SAME:
        ipa = ipa.replace(a, b)
    ipa = re.sub(f"([ˈˌ])([^{VOWELS}ˈˌ]*)([{VOWELS}])", r"\2\1\3", ipa)
    ipa = ipa.replace("ˌ", "")
    one = sum(symbol in VOWELS for symbol in ipa) == 1
    row, stressed = "", False
    for symbol in ipa:
        if symbol == "ˈ":
            stressed = True
        elif symbol in VOWELS:
            row += ("ˈ" if stressed else "") + ("ə" if symbol in "ʌɪəʊɛæ" and not stressed and not one else symbol)
            stressed = False
        elif symbol.isalnum() or symbol in "ŋðθʃʒɹɡ":
            row += symbol
    return row.replace("ˈ", "") if one else row


def of_arpabet(row):
    """Of CMUdict's symbols with their stress."""
    ipa = ""
    for symbol in row:
        name, stress = symbol.rstrip("012"), symbol[-1]
        sound = "ə" if symbol == "AH0" else "əɹ" if symbol == "ER0" else ARPABET.get(name, name.lower())
        ipa += ("ˈ" if stress == "1" else "") + sound
    return ipa


def of_misaki(symbols):
    return "".join(MISAKI.get(symbol, symbol) for symbol in symbols)


def distance(a, b):
    """Edits from one row to the other."""
    before = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (x != y)))
        before = row
    return before[-1]
