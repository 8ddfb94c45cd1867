//! Scenarios that once failed. Each says what was wrong, and stays.
