"""What is wrong with a tier policy."""


class PolicyError(ValueError):
    """The policy cannot be used; the message names the rule."""
