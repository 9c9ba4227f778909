"""What a shop's machines are given: `ponte init` and `ponte uninstall`, and the bundle that makes a VPS."""
