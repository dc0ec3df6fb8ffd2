//! The text, as numbers.

use flaxen::prelude::*;

/// A story, written for this program.
const STORY: &str = include_str!("text.txt");

/// A text and the characters it is made of.
pub struct Text {
    characters: Vec<char>,
    tokens: Vec<i32>,
}

impl Text {
    /// The story, on one line a paragraph.
    pub fn story() -> Text {
        let text = STORY.trim().replace("\n\n", "\r").replace('\n', " ").replace('\r', "\n");
        let mut story = Text::of_characters(&text);
        story.tokens = story.encode(&text);
        story
    }

    /// No text, of the characters given.
    pub fn of_characters(characters: &str) -> Text {
        let mut characters: Vec<char> = characters.chars().collect();
        characters.sort_unstable();
        characters.dedup();
        Text { characters, tokens: Vec::new() }
    }

    /// The characters, in the order of their numbers.
    pub fn characters(&self) -> String {
        self.characters.iter().collect()
    }

    /// How many different characters there are.
    pub fn vocabulary(&self) -> usize {
        self.characters.len()
    }

    /// The numbers of characters, without those that the text does not have.
    pub fn encode(&self, text: &str) -> Vec<i32> {
        text.chars().filter_map(|c| self.characters.binary_search(&c).ok()).map(|at| at as i32).collect()
    }

    /// The characters of numbers.
    pub fn decode(&self, tokens: &[i32]) -> String {
        tokens.iter().filter_map(|&token| self.characters.get(token as usize)).collect()
    }

    /// The beginning to train on, and the last tenth to test on.
    pub fn parts(&self) -> (Tensor, Tensor) {
        let (train, test) = self.tokens.split_at(self.tokens.len() * 9 / 10);
        (Tensor::from(train), Tensor::from(test))
    }
}

/// Pieces of a text from random positions, `I32[count, length]`.
pub fn pieces(text: &Tensor, key: &random::Key, count: usize, length: usize) -> Tensor {
    let starts = random::randint(key, [count, 1], 0, (text.size() - length + 1) as i32);
    text.take(starts + Tensor::arange(0i32, length as i32, 1), 0)
}
