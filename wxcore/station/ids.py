"""Station ids, as every reader writes them."""

NO_IDS = ("NULL", "NONE", "NAN", "NIL", "NA")
"""What a database writes into the column of an id that it has not; no station is called so."""


def with_letter(text: str) -> str:
    """Numbers of regional stations begin with the ASCII code of their letter: 658290 is A8290 (FORMATS.md C)."""
    if len(text) == 6 and text.isascii() and text.isdigit() and 65 <= int(text[:2]) <= 90:
        return chr(int(text[:2])) + text[2:]
    return text
