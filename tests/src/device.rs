//! The device that tests run on beside the CPU, where there is one.

use std::sync::OnceLock;

use flaxen::Device;

/// The first device of the plugin that `FLAXEN_PJRT_PLUGIN` names; without it `None`, which is said once.
///
/// # Panics
/// If there is such a plugin and it cannot be used.
pub fn device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        if std::env::var_os("FLAXEN_PJRT_PLUGIN").is_none() {
            eprintln!("skipped: what runs on a device of `FLAXEN_PJRT_PLUGIN`, which is not set");
            return None;
        }
        Some(Device::pjrt("$FLAXEN_PJRT_PLUGIN").unwrap_or_else(|error| panic!("{error}")))
    })
}
