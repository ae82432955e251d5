"""Text that any UTF-8 tokenizer and file can hold. It splits and counts nothing."""


def clean(text: str) -> str:
    """Replace lone surrogates, which no UTF-8 tokenizer can hold, by U+FFFD (which BERT drops)."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
