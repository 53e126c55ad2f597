"""What usage costs beyond its list price: agreements, capacity, charges of no call, currencies. One step each."""
