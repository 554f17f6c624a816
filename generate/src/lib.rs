//! Realistic, seeded load.
