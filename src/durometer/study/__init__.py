"""Configuration, plan, store and execution of a study."""
