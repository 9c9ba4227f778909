"""Read the databases' catalogs and change them."""
