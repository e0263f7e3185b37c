"""A distribution that knows only the public contract: what a third party writes."""
