"""The demo: real usage recorded by others, laid on the calendar and sent through the product's own pipeline."""
