//! The C interface of PJRT as its header lays it down (`xla/pjrt/c/pjrt_c_api.h` of `OpenXLA`, version 0.114): the table of functions, and
//! their arguments, as far as they are used here.
//!
//! Every function takes a pointer to a struct that begins with its own size, and returns an error or null. A plugin refuses a struct
//! that is smaller than the one it was built with, and takes a larger one; new fields come last, and zero says that they are not used.
//! So all structs are followed by zeros here, for fields of later versions.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;

/// The version that the structs were taken from; another major version lays them down differently.
pub const MAJOR: c_int = 0;
pub const MINOR: c_int = 114;

/// Words after each struct, for fields of later versions.
const RESERVE: usize = 16;

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[repr(C)]
        pub struct $name {
            _opaque: [u8; 0],
        }
    )* };
}

opaque!(
    /// An error, which the caller frees.
    RawError,
    RawEvent,
    RawClient,
    RawDevice,
    RawDeviceDescription,
    RawBuffer,
    RawExecutable,
    RawLoadedExecutable,
);

/// A struct of arguments: its size, extensions, its fields, and room for more.
#[repr(C)]
pub struct Args<T> {
    size: usize,
    extension: *mut c_void,
    pub fields: T,
    reserve: [usize; RESERVE],
}

impl<T> Args<T> {
    pub fn new(fields: T) -> Args<T> {
        Args { size: size_of::<Args<T>>(), extension: null_mut(), fields, reserve: [0; RESERVE] }
    }
}

/// An entry of the table. Those without a result return nothing, which is never looked at.
pub type Function<T> = Option<unsafe extern "C" fn(*mut Args<T>) -> *mut RawError>;

/// Entries of the table that are not used here.
type Unused<const COUNT: usize> = [*const c_void; COUNT];

/// Its table of functions, up to the last that is used here.
#[repr(C)]
pub struct Api {
    pub size: usize,
    pub extension: *const c_void,
    pub version: Version,
    pub error_destroy: Option<unsafe extern "C" fn(*mut Args<ErrorDestroy>)>,
    pub error_message: Option<unsafe extern "C" fn(*mut Args<ErrorMessage>)>,
    pub error_code: Function<ErrorCode>,
    pub plugin_initialize: Function<NoFields>,
    pub unused_9: Unused<1>,
    pub event_destroy: Function<EventOnly>,
    pub unused_11: Unused<2>,
    pub event_await: Function<EventOnly>,
    pub event_on_ready: Function<EventOnReady>,
    pub client_create: Function<ClientCreate>,
    pub unused_16: Unused<1>,
    pub client_platform_name: Function<ClientText>,
    pub unused_18: Unused<1>,
    pub client_platform_version: Function<ClientText>,
    pub unused_20: Unused<1>,
    pub client_addressable_devices: Function<ClientDevices>,
    pub unused_22: Unused<3>,
    pub client_compile: Function<ClientCompile>,
    pub unused_26: Unused<1>,
    pub client_buffer_from_host: Function<BufferFromHost>,
    pub description_id: Function<DescriptionId>,
    pub unused_29: Unused<2>,
    pub description_kind: Function<DescriptionText>,
    pub unused_32: Unused<2>,
    pub device_description: Function<DeviceDescriptionOf>,
    pub unused_35: Unused<4>,
    pub device_memory_stats: Function<DeviceMemoryStats>,
    pub unused_40: Unused<5>,
    pub executable_destroy: Function<ExecutableOnly>,
    pub unused_46: Unused<3>,
    pub executable_num_outputs: Function<ExecutableNumOutputs>,
    pub unused_50: Unused<5>,
    pub loaded_executable_destroy: Function<LoadedExecutableOnly>,
    pub loaded_executable_get_executable: Function<GetExecutable>,
    pub unused_57: Unused<3>,
    pub loaded_executable_execute: Function<Execute>,
    pub unused_61: Unused<2>,
    pub buffer_destroy: Function<BufferOnly>,
    pub unused_64: Unused<11>,
    pub buffer_to_host: Function<BufferToHost>,
    pub unused_76: Unused<1>,
    pub buffer_ready_event: Function<BufferReadyEvent>,
}

#[repr(C)]
pub struct Version {
    pub size: usize,
    pub extension: *const c_void,
    pub major: c_int,
    pub minor: c_int,
}

#[repr(C)]
pub struct NoFields;

#[repr(C)]
pub struct ErrorDestroy {
    pub error: *mut RawError,
}

#[repr(C)]
pub struct ErrorMessage {
    pub error: *const RawError,
    pub message: *const c_char,
    pub message_size: usize,
}

#[repr(C)]
pub struct ErrorCode {
    pub error: *const RawError,
    pub code: c_int,
    pub padding: u32,
}

#[repr(C)]
pub struct EventOnly {
    pub event: *mut RawEvent,
}

#[repr(C)]
pub struct EventOnReady {
    pub event: *mut RawEvent,
    pub callback: Option<unsafe extern "C" fn(*mut RawError, *mut c_void)>,
    pub user_arg: *mut c_void,
}

/// An option of a client. It has no reserve: they stand in an array.
#[repr(C)]
pub struct NamedValue {
    pub size: usize,
    pub extension: *mut c_void,
    pub name: *const c_char,
    pub name_size: usize,
    pub kind: c_int,
    pub padding: u32,
    pub value: NamedValueContent,
    /// The number of elements of an array or a text, else 1.
    pub value_size: usize,
}

#[repr(C)]
pub union NamedValueContent {
    pub text: *const c_char,
    pub int: i64,
    pub float: f32,
    pub bool: bool,
}

/// The kinds of a [`NamedValue`].
pub const NAMED_TEXT: c_int = 0;
pub const NAMED_INT: c_int = 1;
pub const NAMED_FLOAT: c_int = 3;
pub const NAMED_BOOL: c_int = 4;

#[repr(C)]
pub struct ClientCreate {
    pub options: *const NamedValue,
    pub num_options: usize,
    /// Callbacks to a store that processes share, and their arguments: none.
    pub key_value_store: [*mut c_void; 4],
    pub client: *mut RawClient,
    pub key_value_try_get: [*mut c_void; 2],
}

#[repr(C)]
pub struct ClientText {
    pub client: *mut RawClient,
    pub text: *const c_char,
    pub text_size: usize,
}

#[repr(C)]
pub struct ClientDevices {
    pub client: *mut RawClient,
    pub devices: *const *mut RawDevice,
    pub num_devices: usize,
}

#[repr(C)]
pub struct ClientCompile {
    pub client: *mut RawClient,
    pub program: *const Args<Program>,
    pub options: *const u8,
    pub options_size: usize,
    pub executable: *mut RawLoadedExecutable,
}

#[repr(C)]
pub struct Program {
    pub code: *const u8,
    pub code_size: usize,
    pub format: *const u8,
    pub format_size: usize,
}

#[repr(C)]
pub struct BufferFromHost {
    pub client: *mut RawClient,
    pub data: *const c_void,
    pub element_type: c_int,
    pub padding: u32,
    pub dims: *const i64,
    pub num_dims: usize,
    pub byte_strides: *const i64,
    pub num_byte_strides: usize,
    pub semantics: c_int,
    pub padding_semantics: u32,
    pub device: *mut RawDevice,
    pub memory: *mut c_void,
    pub layout: *mut c_void,
    pub done_with_host_buffer: *mut RawEvent,
    pub buffer: *mut RawBuffer,
}

/// The host's memory is read before the call returns.
pub const ONLY_DURING_CALL: c_int = 0;
/// The buffer may be the host's memory for as long as it lives; it is never written into.
pub const IMMUTABLE_ZERO_COPY: c_int = 2;

/// Types of elements, as far as there are such dtypes here.
pub mod element_type {
    use std::ffi::c_int;

    pub const PRED: c_int = 1;
    pub const S8: c_int = 2;
    pub const S16: c_int = 3;
    pub const S32: c_int = 4;
    pub const S64: c_int = 5;
    pub const U8: c_int = 6;
    pub const U16: c_int = 7;
    pub const U32: c_int = 8;
    pub const F16: c_int = 10;
    pub const F32: c_int = 11;
    pub const F64: c_int = 12;
    pub const BF16: c_int = 13;
    pub const C64: c_int = 14;
}

#[repr(C)]
pub struct DeviceDescriptionOf {
    pub device: *mut RawDevice,
    pub description: *mut RawDeviceDescription,
}

#[repr(C)]
pub struct DescriptionId {
    pub description: *mut RawDeviceDescription,
    pub id: c_int,
    pub padding: u32,
}

#[repr(C)]
pub struct DescriptionText {
    pub description: *mut RawDeviceDescription,
    pub text: *const c_char,
    pub text_size: usize,
}

/// A number that a device may not know.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Known {
    pub value: i64,
    pub is_set: bool,
    pub padding: [u8; 7],
}

#[repr(C)]
pub struct DeviceMemoryStats {
    pub device: *mut RawDevice,
    pub bytes_in_use: i64,
    pub peak_bytes_in_use: Known,
    pub num_allocs: Known,
    pub largest_alloc_size: Known,
    pub bytes_limit: Known,
    pub bytes_reserved: Known,
    pub peak_bytes_reserved: Known,
    pub bytes_reservable_limit: Known,
    pub largest_free_block_bytes: Known,
    pub pool_bytes: Known,
    pub peak_pool_bytes: Known,
    pub peak_allocated_bytes: Known,
}

#[repr(C)]
pub struct ExecutableOnly {
    pub executable: *mut RawExecutable,
}

#[repr(C)]
pub struct ExecutableNumOutputs {
    pub executable: *mut RawExecutable,
    pub num_outputs: usize,
}

#[repr(C)]
pub struct LoadedExecutableOnly {
    pub executable: *mut RawLoadedExecutable,
}

#[repr(C)]
pub struct GetExecutable {
    pub loaded: *mut RawLoadedExecutable,
    pub executable: *mut RawExecutable,
}

#[repr(C)]
pub struct Execute {
    pub executable: *mut RawLoadedExecutable,
    pub options: *mut Args<ExecuteOptions>,
    /// For each device, its arguments.
    pub argument_lists: *const *const *mut RawBuffer,
    pub num_devices: usize,
    pub num_args: usize,
    /// For each device, where the buffers of its results go.
    pub output_lists: *const *mut *mut RawBuffer,
    pub device_complete_events: *mut *mut RawEvent,
    pub on_device: *mut RawDevice,
}

#[repr(C)]
pub struct ExecuteOptions {
    pub send_callbacks: *mut c_void,
    pub recv_callbacks: *mut c_void,
    pub num_send_ops: usize,
    pub num_recv_ops: usize,
    pub launch_id: c_int,
    pub padding: u32,
    /// Arguments that are not given away by this call, although the program says that it may overwrite them.
    pub non_donatable: *const i64,
    pub num_non_donatable: usize,
    pub context: *mut c_void,
    pub call_location: *const c_char,
    pub num_tasks: usize,
    pub task_ids: *mut c_int,
    pub incarnation_ids: *mut i64,
    pub multi_slice_config: *mut c_void,
    pub row_major_callbacks: bool,
    pub padding_callbacks: [u8; 7],
    pub hlo_output_callbacks: *mut c_void,
    pub num_hlo_output_callbacks: usize,
}

#[repr(C)]
pub struct BufferOnly {
    pub buffer: *mut RawBuffer,
}

#[repr(C)]
pub struct BufferToHost {
    pub buffer: *mut RawBuffer,
    pub layout: *mut Args<TiledLayout>,
    pub out: *mut c_void,
    pub out_size: usize,
    pub event: *mut RawEvent,
}

/// A layout without tiles, in the union of layouts, which begins as it does.
#[repr(C)]
pub struct TiledLayout {
    pub size: usize,
    pub extension: *mut c_void,
    pub minor_to_major: *const i64,
    pub num_dims: usize,
    pub tile_dims: *const i64,
    pub tile_dim_sizes: *const usize,
    pub num_tiles: usize,
    /// 0: by dimensions and tiles, not by strides.
    pub kind: c_int,
    pub padding: u32,
}

#[repr(C)]
pub struct BufferReadyEvent {
    pub buffer: *mut RawBuffer,
    pub event: *mut RawEvent,
}

/// What an error's code is called.
pub fn code_name(code: c_int) -> &'static str {
    const NAMES: [&str; 16] = [
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    usize::try_from(code - 1).ok().and_then(|i| NAMES.get(i)).copied().unwrap_or("UNKNOWN")
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    const WORD: usize = size_of::<usize>();

    /// Without the reserve.
    fn size<T>() -> usize {
        size_of::<Args<T>>() - RESERVE * WORD
    }

    #[test]
    fn structs_are_as_large_as_the_header_lays_them_down() {
        let sizes = [
            ("PJRT_Error_Message_Args", size::<ErrorMessage>(), 40),
            ("PJRT_Event_OnReady_Args", size::<EventOnReady>(), 40),
            ("PJRT_NamedValue", size_of::<NamedValue>(), 56),
            ("PJRT_Client_Create_Args", size::<ClientCreate>(), 88),
            ("PJRT_Client_Compile_Args", size::<ClientCompile>(), 56),
            ("PJRT_Program", size::<Program>(), 48),
            ("PJRT_Client_BufferFromHostBuffer_Args", size::<BufferFromHost>(), 120),
            ("PJRT_Device_MemoryStats_Args", size::<DeviceMemoryStats>(), 208),
            ("PJRT_ExecuteOptions", size::<ExecuteOptions>(), 144),
            ("PJRT_LoadedExecutable_Execute_Args", size::<Execute>(), 80),
            ("PJRT_Buffer_ToHostBuffer_Args", size::<BufferToHost>(), 56),
            ("PJRT_Buffer_MemoryLayout", size::<TiledLayout>(), 80),
            ("PJRT_Api_Version", size_of::<Version>(), 24),
        ];
        for (name, found, expected) in sizes {
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn fields_are_where_the_header_lays_them_down() {
        fn at<T>(field: usize) -> usize {
            offset_of!(Args<T>, fields) + field
        }
        let offsets = [
            (at::<BufferFromHost>(offset_of!(BufferFromHost, dims)), 40),
            (at::<BufferFromHost>(offset_of!(BufferFromHost, semantics)), 72),
            (at::<BufferFromHost>(offset_of!(BufferFromHost, device)), 80),
            (at::<BufferFromHost>(offset_of!(BufferFromHost, done_with_host_buffer)), 104),
            (at::<BufferFromHost>(offset_of!(BufferFromHost, buffer)), 112),
            (at::<DeviceMemoryStats>(offset_of!(DeviceMemoryStats, peak_bytes_in_use)), 32),
            (at::<DeviceMemoryStats>(offset_of!(DeviceMemoryStats, bytes_limit)), 80),
            (at::<DeviceMemoryStats>(offset_of!(DeviceMemoryStats, peak_allocated_bytes)), 192),
            (at::<ExecuteOptions>(offset_of!(ExecuteOptions, launch_id)), 48),
            (at::<ExecuteOptions>(offset_of!(ExecuteOptions, non_donatable)), 56),
            (at::<ExecuteOptions>(offset_of!(ExecuteOptions, context)), 72),
            (at::<ExecuteOptions>(offset_of!(ExecuteOptions, num_hlo_output_callbacks)), 136),
            (at::<ClientCreate>(offset_of!(ClientCreate, client)), 64),
            (at::<TiledLayout>(offset_of!(TiledLayout, kind)), 72),
            (offset_of!(NamedValue, value), 40),
            (offset_of!(NamedValue, value_size), 48),
        ];
        for (i, (found, expected)) in offsets.into_iter().enumerate() {
            assert_eq!(found, expected, "{i}");
        }
    }

    #[test]
    fn functions_are_where_the_header_lays_them_down() {
        let words = [
            (offset_of!(Api, error_destroy), 5),
            (offset_of!(Api, plugin_initialize), 8),
            (offset_of!(Api, event_await), 13),
            (offset_of!(Api, client_create), 15),
            (offset_of!(Api, client_compile), 25),
            (offset_of!(Api, client_buffer_from_host), 27),
            (offset_of!(Api, device_description), 34),
            (offset_of!(Api, device_memory_stats), 39),
            (offset_of!(Api, executable_num_outputs), 49),
            (offset_of!(Api, loaded_executable_execute), 60),
            (offset_of!(Api, buffer_destroy), 63),
            (offset_of!(Api, buffer_to_host), 75),
            (offset_of!(Api, buffer_ready_event), 77),
        ];
        for (found, word) in words {
            assert_eq!(found, word * WORD);
        }
    }

    #[test]
    fn codes_have_the_names_of_their_list() {
        assert_eq!(
            [1, 8, 16, 0, 17].map(code_name),
            ["CANCELLED", "RESOURCE_EXHAUSTED", "UNAUTHENTICATED", "UNKNOWN", "UNKNOWN"]
        );
    }
}
