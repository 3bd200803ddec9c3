"""Text as the language model reads it: a token for each byte of what is written, and one for each phone of the teacher.

In: text in which a word is either written, in small letters, or spoken: a row of phones, each a character of its own from Unicode's
private use area, so that no letter is taken for a phone and no marks have to say where phones begin. Out: tokens, from 0 on. The
format's tokeniser merges bytes by rank: the two bytes that phones begin with are an entry, so that the three of a phone become
one token.
"""

PHONES = (  # the order is part of every pack: only append
    "AIOQSTWYabcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɔɕɖəɚɛɜɟɡɣɤɥɨɪɯɰɲɳɴɸɹɻɽɾʁʂʃʈʊʋʌʎʒʔʝʣʤʥʦʧʨʰʲˈˌː\u0303βθχᵊᵝᵻꭧ"
)
MARKS = "ˈˌː"
FIRST = 0xE000
CHARACTERS = {phone: chr(FIRST + i) for i, phone in enumerate(PHONES)}
STARTS = sorted({character.encode()[:2] for character in CHARACTERS.values()})
ENTRIES = [*(bytes([byte]) for byte in range(256)), *STARTS, *(character.encode() for character in CHARACTERS.values())]
TOKENS = {character: 256 + len(STARTS) + i for i, character in enumerate(CHARACTERS.values())}

# What people write: the teacher has one character for a diphthong or an affricate, and misses some signs of the others'.
IPA = {
    **{"A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "S": "ʃ", "T": "ɾ", "W": "aʊ", "Y": "ɔɪ"},
    **{phone: phone for phone in PHONES if phone not in "AIOQSTWY"},
}
ALSO = {
    **{"tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ", "tɕ": "ʨ", "r": "ɹ", "ɫ": "l", "ɚ": "əɹ", "ɝ": "ɜɹ", "ɐ": "ə", "ʔ": "t"},
    **{"e": "ɛ", "n\u0329": "ᵊn", "l\u0329": "ᵊl", "m\u0329": "ᵊm", "ʍ": "w", "x": "k"},
}


def ipa(phonemes):
    """Phones in the alphabet that people write; what has no sign there (a comma, say) is left out."""
    return "".join(IPA.get(symbol, "") for symbol in phonemes)


def spoken(phonemes):
    """The phones of a word as characters of the alphabet; what is none (a comma, say) is left out."""
    return "".join(CHARACTERS[symbol] for symbol in phonemes if symbol in CHARACTERS)


def tokens(text):
    """Tokens of a text: small letters, and phones."""
    return [token for c in text.lower() for token in ([TOKENS[c]] if c in TOKENS else c.encode())]


def text(ids):
    """The text of tokens."""
    return b"".join(ENTRIES[i] for i in ids).decode()
