"""Questions to a debug topic that have no answer."""


class NotFound(LookupError):
    """A question about something that is not there; the text says what would be right."""


class BadQuestion(ValueError):
    """A question that lacks something; the text says what."""
