"""How it should serve: the plan, as a pure function of inventory, recipe and facts."""
