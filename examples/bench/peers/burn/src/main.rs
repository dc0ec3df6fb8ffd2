//! The workloads in burn, for `driver.py`.

mod models;
#[path = "../../protocol.rs"]
mod protocol;
mod workload;

fn main() -> protocol::Result<()> {
    protocol::serve(workload::make)
}
