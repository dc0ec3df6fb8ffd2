//! Programs that a plugin has compiled.

use std::ptr::{NonNull, null, null_mut};
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::buffer::PjrtBuffer;
use super::c_api::{
    Args, ClientCompile, ExecutableNumOutputs, ExecutableOnly, Execute, ExecuteOptions, GetExecutable,
    LoadedExecutableOnly, Program, RawBuffer, RawLoadedExecutable,
};
use super::client::PjrtDevice;
use super::protobuf::compile_options;
use crate::array::{Array, Aval};
use crate::core::Executable;
use crate::core::backend::Finish;
use crate::error::{Error, Result};

/// A compiled program, its shapes, and what it is always given.
pub struct PjrtProgram {
    device: &'static PjrtDevice,
    raw: NonNull<RawLoadedExecutable>,
    outs: Vec<Aval>,
    /// What comes after the arguments of each call.
    constants: Vec<Array>,
    /// For each argument of a call, whether the program may write a result into its memory.
    donated: Vec<bool>,
}

// SAFETY: the interface says that programs may be run by several threads at once.
unsafe impl Send for PjrtProgram {}
// SAFETY: as above.
unsafe impl Sync for PjrtProgram {}

/// What a program takes and gives.
pub struct Signature {
    /// For each argument, whether the text says that a result may be written into its memory.
    pub donated: Vec<bool>,
    /// Arrays that are given after the arguments.
    pub constants: Vec<Array>,
    pub outs: Vec<Aval>,
}

impl PjrtDevice {
    /// Compiles a module of StableHLO whose function `main` takes and gives what the signature says.
    ///
    /// # Errors
    /// What the compiler says.
    pub fn compile_text(&'static self, text: &str, signature: Signature) -> Result<Arc<dyn Executable>> {
        const FORMAT: &str = "mlir";
        let options = compile_options(self.id);
        let program = Args::new(Program {
            code: text.as_ptr(),
            code_size: text.len(),
            format: FORMAT.as_ptr(),
            format_size: FORMAT.len(),
        });
        let asked = ClientCompile {
            client: self.client.as_ptr(),
            program: &raw const program,
            options: options.as_ptr(),
            options_size: options.len(),
            executable: null_mut(),
        };
        // SAFETY: the program and the options are there during the call.
        let made =
            unsafe { self.plugin.call("compile a program", &self.name, |api| api.client_compile, asked) }?;
        let wrong = |message: String| Error::Device {
            device: self.name.clone(),
            action: "compile a program".into(),
            code: "INTERNAL",
            message: message.into(),
        };
        let raw = NonNull::new(made.executable)
            .ok_or_else(|| wrong("the plugin made no error and no program either".to_owned()))?;
        let Signature { donated, constants, outs } = signature;
        let constants = constants.iter().map(|array| self.upload(array)).collect::<Result<_>>();
        // From here on it is freed, whatever happens.
        let mut compiled = PjrtProgram { device: self, raw, outs, constants: Vec::new(), donated };
        compiled.constants = constants?;
        let found = compiled.results()?;
        if found != compiled.outs.len() {
            return Err(wrong(format!("the program has {found} results instead of {}", compiled.outs.len())));
        }
        Ok(Arc::new(compiled))
    }
}

impl PjrtProgram {
    /// How many results it has, of which it writes as many pointers.
    fn results(&self) -> Result<usize> {
        let (plugin, name) = (self.device.plugin, &*self.device.name);
        let asked = GetExecutable { loaded: self.raw.as_ptr(), executable: null_mut() };
        // SAFETY: the program is there.
        let asked = unsafe {
            plugin.call("describe a program", name, |api| api.loaded_executable_get_executable, asked)
        }?;
        let executable = asked.executable;
        let asked = ExecutableNumOutputs { executable, num_outputs: 0 };
        // SAFETY: the description is there until it is freed.
        let found =
            unsafe { plugin.call("describe a program", name, |api| api.executable_num_outputs, asked) };
        // SAFETY: it is ours, and not used any more.
        unsafe { plugin.free(|api| api.executable_destroy, ExecutableOnly { executable }) };
        Ok(found?.num_outputs)
    }

    /// Runs it on buffers of its device; the last arguments are told that they stay.
    fn execute(&self, args: &[*mut RawBuffer], kept: &[i64]) -> Result<SmallVec<[Array; 8]>> {
        let mut outs: SmallVec<[*mut RawBuffer; 8]> = smallvec![null_mut(); self.outs.len()];
        let (arguments, results) = (args.as_ptr(), outs.as_mut_ptr());
        let mut options = Args::new(ExecuteOptions {
            send_callbacks: null_mut(),
            recv_callbacks: null_mut(),
            num_send_ops: 0,
            num_recv_ops: 0,
            launch_id: 0,
            padding: 0,
            non_donatable: kept.as_ptr(),
            num_non_donatable: kept.len(),
            context: null_mut(),
            call_location: null(),
            num_tasks: 0,
            task_ids: null_mut(),
            incarnation_ids: null_mut(),
            multi_slice_config: null_mut(),
            row_major_callbacks: false,
            padding_callbacks: [0; 7],
            hlo_output_callbacks: null_mut(),
            num_hlo_output_callbacks: 0,
        });
        let run = Execute {
            executable: self.raw.as_ptr(),
            options: &raw mut options,
            argument_lists: &raw const arguments,
            num_devices: 1,
            num_args: args.len(),
            output_lists: &raw const results,
            device_complete_events: null_mut(),
            on_device: null_mut(),
        };
        let device = self.device;
        // SAFETY: all lists are there during the call and as long as they say: there is room for as many results as the program has.
        // The arguments are buffers of its device that their arrays hold; the plugin holds what it uses longer than that.
        unsafe {
            device.plugin.call("run a program", &device.name, |api| api.loaded_executable_execute, run)
        }?;
        let array = |(raw, aval): (*mut RawBuffer, &Aval)| {
            let raw = NonNull::new(raw).ok_or_else(|| Error::Device {
                device: device.name.clone(),
                action: "run a program".into(),
                code: "INTERNAL",
                message: "the plugin made no error and not all results either".into(),
            })?;
            // SAFETY: the plugin has made it for us.
            let buffer = unsafe { PjrtBuffer::own(device, raw, aval.rank()) };
            Ok(Array::on_device(aval.clone(), buffer))
        };
        outs.into_iter().zip(&self.outs).map(array).collect()
    }
}

impl Executable for PjrtProgram {
    fn run(&self, args: &mut dyn Iterator<Item = Array>, finish: &mut Finish<'_>) -> Result<()> {
        let mut held: SmallVec<[Array; 16]> = SmallVec::new();
        for (i, array) in args.enumerate() {
            held.push(if array.is_on_host() {
                self.device.upload(&array)?
            } else if self.device.has(&array) {
                array
            } else {
                return Err(Error::Placement {
                    op: "jit".into(),
                    tensor: format!("its argument {i}, {},", array.aval()).into(),
                    found: array.device_buffer().map_or("the host", |buffer| buffer.device()).into(),
                    expected: self.device.name.clone(),
                });
            });
        }
        if held.len() != self.donated.len() {
            let text = format!("{} arguments for a program of {}", held.len(), self.donated.len());
            return Err(Error::argument("jit", text));
        }
        // What somebody else holds, too, the program may not write into, whatever its text says.
        let is_kept =
            |(i, array): (usize, &Array)| (self.donated[i] && array.is_shared()).then_some(i as i64);
        let kept: SmallVec<[i64; 16]> = held.iter().enumerate().filter_map(is_kept).collect();
        let buffers = held.iter().chain(&self.constants).filter_map(|array| self.device.buffer(array));
        let buffers: SmallVec<[*mut RawBuffer; 32]> = buffers.collect();
        let outs = self.execute(&buffers, &kept)?;
        drop(held);
        finish(&mut outs.into_iter());
        Ok(())
    }
}

impl Drop for PjrtProgram {
    fn drop(&mut self) {
        let program = LoadedExecutableOnly { executable: self.raw.as_ptr() };
        // SAFETY: it is ours, and what still runs holds it by itself.
        unsafe { self.device.plugin.free(|api| api.loaded_executable_destroy, program) };
    }
}
