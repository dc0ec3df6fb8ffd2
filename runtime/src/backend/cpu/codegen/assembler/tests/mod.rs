//! Machine code is read back by a disassembler that knows nothing of ours.

mod encoding;
mod listings;
mod registers;

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter, MemorySizeOptions, OpKind};

/// The instructions of some code; memory of constants and targets of jumps have no numbers.
fn disassemble(code: &[u8]) -> Vec<String> {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_signed_immediate_operands(true);
    options.set_memory_size_options(MemorySizeOptions::Always);
    options.set_branch_leading_zeros(false);
    let mut lines = Vec::new();
    for instruction in Decoder::new(64, code, DecoderOptions::NONE) {
        assert!(!instruction.is_invalid(), "{code:02x?}");
        let mut line = String::new();
        formatter.format(&instruction, &mut line);
        if instruction.is_ip_rel_memory_operand() {
            let (before, rest) = line.split_once('[').unwrap_or((&line, ""));
            let after = rest.split_once(']').map_or("", |(_, after)| after);
            line = format!("{before}[constant]{after}");
        }
        if instruction.op0_kind() == OpKind::NearBranch64 {
            line.truncate(line.find(' ').unwrap_or(line.len()));
        }
        lines.push(line);
    }
    lines
}
