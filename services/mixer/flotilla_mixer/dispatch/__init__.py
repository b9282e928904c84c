"""From a bag to handlers and back: which rules hold, what they make of it, what the handlers say."""
