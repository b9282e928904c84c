"""What can be wrong with a template, or with what it is run on."""


class TemplateError(ValueError):
    """The text says what is wrong, and where it can say so at which action."""
