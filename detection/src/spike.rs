//! Spikes: five views of the newest value, one surprise.
