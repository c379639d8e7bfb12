"""The routes: parse, one call, model out. They know HTTP and nothing below it."""
