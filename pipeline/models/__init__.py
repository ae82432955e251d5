"""BERTs and their vocabularies: opened, run, scored; never trained."""
