"""SGP as the shop has it: its real tables, a year of orders and every kind of dirt."""
