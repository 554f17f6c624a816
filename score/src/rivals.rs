//! Detectors to compare with, each online and with one setting.

pub mod five_view;
