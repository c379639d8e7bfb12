"""The rules of the business, pure: no I/O, no clock, nothing but the standard library."""
