//! Devices as records: list, change, approve, revoke.

use muster_policy::rights::{AdminRight, ViewRight};
use muster_proto::rest::{Approve, Device, DevicePatch, Page};
use muster_store::device::{Filter, Sort};

use super::{App, AppError};

impl App {
    /// One page of devices. `cursor` is `next` of the page before.
    pub(crate) async fn list_devices(
        &self,
        right: &ViewRight,
        filter: Filter,
        sort: Sort,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page<Device>, AppError> {
        todo!()
    }

    /// Changes a device's record; what hangs on it is compiled anew. `called` is its id, name or serial.
    pub(crate) async fn change_device(
        &self,
        right: &AdminRight,
        called: String,
        patch: DevicePatch,
    ) -> Result<Device, AppError> {
        todo!()
    }

    /// Lets a waiting machine in, by the code on its console.
    pub(crate) async fn approve_device(
        &self,
        right: &AdminRight,
        called: String,
        request: Approve,
    ) -> Result<Device, AppError> {
        todo!()
    }

    /// Stops accepting a device's certificates.
    pub(crate) async fn revoke_device(&self, right: &AdminRight, called: String) -> Result<Device, AppError> {
        todo!()
    }
}
