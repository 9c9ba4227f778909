"""Only the list of fixture plugins; each says what it gives."""

pytest_plugins = [
    "tests.fix_lifetime",
    "tests.fix_tiers",
    "tests.fix_declaration",
    "tests.fix_isolation",
    "tests.fix_tools",
    "tests.fix_clusters",
    "tests.fix_road",
    "tests.fix_drift",
    "tests.fix_windows",
    "tests.fix_fed",
    "tests.fix_shop",
    "tests.fix_served",
    "tests.fix_watch",
    "tests.fix_breaks",
    "tests.fix_drills",
    "tests.fix_browser",
    "tests.fix_mistakes",
    "tests.fix_wheel",
    "tests.fix_install",
    "tests.fix_install_file",
]
