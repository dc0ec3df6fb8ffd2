//! The few messages of protocol buffers that a compilation is told its options by (`compile_options.proto` and `xla_data.proto` of XLA).

/// A message that is being written: fields in the wire format of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn int(mut self, field: u64, value: i64) -> Message {
        self.varint(field << 3);
        self.varint(value as u64);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }
}

/// `CompileOptionsProto` for one device: one replica of one partition, and the options of XLA that keep our meaning.
///
/// Without any options, XLA on CPU computes the larger and the smaller of two numbers as the processor does, which loses NaN and the
/// sign of zeros.
pub fn compile_options(device: i64) -> Vec<u8> {
    let devices = Message::default().int(1, device);
    let assignment = Message::default().int(1, 1).int(2, 1).bytes(3, &devices.0);
    let build = Message::default().int(4, 1).int(5, 1).bytes(9, &assignment.0);
    let off = Message::default().int(2, 0);
    let fast_min_max = Message::default().bytes(1, b"xla_cpu_enable_fast_min_max").bytes(2, &off.0);
    Message::default().bytes(3, &build.0).bytes(7, &fast_min_max.0).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths_are_in_groups_of_seven_bits() {
        assert_eq!(Message::default().int(1, 300).0, [0x08, 0xac, 0x02]);
        assert_eq!(
            Message::default().bytes(2, b"testing").0,
            [0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]
        );
    }

    #[test]
    fn the_options_say_one_replica_of_one_partition_on_the_device() {
        let options = compile_options(3);
        // executable_build_options { num_replicas: 1 num_partitions: 1 device_assignment { 1 1 computation_devices { 3 } } }
        assert_eq!(options[..16], [0x1a, 14, 0x20, 1, 0x28, 1, 0x4a, 8, 0x08, 1, 0x10, 1, 0x1a, 2, 0x08, 3]);
    }
}
