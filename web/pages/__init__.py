"""Pages that Django renders: sources, data health, runs. No figures of cost that the Overview has, and no scripts needed."""
