//! Invented vocabularies: function words of each language, then words built from its syllables, by rank.
//!
//! The word of a rank never changes. Ranks follow Zipf's law, so the dictionary looks like that of real mail: a few
//! words everywhere, most words rare.

use crate::chance::Chance;
use crate::limits::VOCABULARY_MAX;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
    Polish,
    Russian,
    Greek,
    Japanese,
    Chinese,
}

use Language::*;

/// How often each language starts a thread.
pub const LANGUAGES: [(u64, Language); 9] = [
    (55, English),
    (13, German),
    (8, French),
    (6, Spanish),
    (4, Polish),
    (6, Russian),
    (2, Greek),
    (4, Japanese),
    (2, Chinese),
];

struct Sounds {
    function_words: &'static str,
    onsets: &'static str,
    vowels: &'static str,
    codas: &'static str,
}

fn sounds(language: Language) -> Sounds {
    match language {
        English => Sounds {
            function_words: "the to and of in a is for on that we it this with be you are I have not as will at or by from \
                             can an but if all please your which they our meeting report time new week thanks today file \
                             project update server list question tomorrow budget release review",
            onsets: "b br c ch d dr f fl g gr h j k l m n p pr qu r s sh st str t th tr v w y",
            vowels: "a e i o u ai ea ou",
            codas: "- - n r t l st ng ck m s nd",
        },
        German => Sounds {
            function_words: "der die und das in zu den mit ist von für auf im nicht ein eine wir es sich an auch als dem bei \
                             ich Sie werden haben nach noch über aus wenn bitte danke heute morgen Bericht Termin Rechnung \
                             Projekt Woche Grüße könnte müssen",
            onsets: "b br d f fr g gr h k kl l m n p pf r s sch sp st t tr v w z zw",
            vowels: "a e i o u ei au ä ö ü ie",
            codas: "- - n r t l cht ng ck rm ß nd",
        },
        French => Sounds {
            function_words: "de la le et les des à en un une du que pour dans est qui par sur au avec ne se pas plus nous vous \
                             ce il être merci bonjour réunion projet semaine demain été déjà",
            onsets: "b bl c ch d f fr g gr j l m n p pl qu r s t tr v",
            vowels: "a e é i o u ou oi è ê",
            codas: "- - - n r t s lle x",
        },
        Spanish => Sounds {
            function_words: "de la que el en y a los se del las un por con no una su para es al lo como más pero sus le ya \
                             gracias mañana reunión informe año señor",
            onsets: "b c ch d f g j l ll m n ñ p qu r s t tr v",
            vowels: "a e i o u á é í ó",
            codas: "- - - n r s l d",
        },
        Polish => Sounds {
            function_words: "i w na z do się że nie to o jest jak po za od przez przy dla ale czy już proszę dziękuję \
                             spotkanie tydzień jutro żeby też",
            onsets: "b c cz d f g h j k l ł m n p prz r s sz t w z ż ś",
            vowels: "a e i o u y ą ę ó",
            codas: "- - n r t k ć ść m",
        },
        Russian => Sounds {
            function_words: "и в не на я быть с он что а по это она как но они мы из у который то за свой весь год от так о для \
                             спасибо завтра встреча отчёт проект пожалуйста",
            onsets: "б в г д ж з к л м н п р с ст т тр ф х ц ч ш щ",
            vowels: "а е и о у ы я ю ё э",
            codas: "- - н р т л й сть м ь",
        },
        Greek => Sounds {
            function_words: "και το να του η της με που την από για είναι στο τα θα σε οι δεν ένα αυτό ευχαριστώ αύριο έργο",
            onsets: "β γ δ ζ θ κ λ μ ν ξ π ρ σ τ φ χ ψ",
            vowels: "α ε η ι ο υ ω ά έ ί ό",
            codas: "- - ν ς ρ",
        },
        Japanese => Sounds {
            function_words: "は が を に で と の も から まで です ます した する これ それ 会議 報告 明日 今日 資料 確認 お願い ありがとう",
            onsets: "か さ た な は ま や ら わ カ サ タ ナ ハ マ ラ 日 本 時 間 新 電 話 東 京 社",
            vowels: "い う え お ん ー キ ト ス 会 議 部 長 年 月 語",
            codas: "- - り す る た",
        },
        Chinese => Sounds {
            function_words: "的 是 在 和 了 有 我 我们 不 这 他 会议 报告 明天 今天 谢谢 项目 请 时间 公司",
            onsets: "天 地 人 山 水 火 木 金 土 中 国 北 南 东 西 上 下 大 小 新 文 电",
            vowels: "学 工 生 年 月 日 心 手 口 车 书 门 风 雨 花 草",
            codas: "- - - 子 家 者",
        },
    }
}

/// The syllables of a language, made once for each message that needs them.
pub struct Vocabulary {
    pub language: Language,
    function_words: Vec<&'static str>,
    syllables: Vec<String>,
}

impl Vocabulary {
    pub fn new(language: Language) -> Vocabulary {
        let sounds = sounds(language);
        let mut syllables = Vec::new();
        for onset in sounds.onsets.split_whitespace() {
            for vowel in sounds.vowels.split_whitespace() {
                syllables.push(format!("{onset}{vowel}"));
            }
        }
        let codas: Vec<&str> =
            sounds.codas.split_whitespace().map(|c| if c == "-" { "" } else { c }).collect();
        for (n, syllable) in syllables.iter_mut().enumerate() {
            syllable.push_str(codas[n * 7 % codas.len()]);
        }
        Vocabulary { language, function_words: sounds.function_words.split_whitespace().collect(), syllables }
    }

    /// Whether words stand without spaces between them.
    pub fn runs_together(&self) -> bool {
        matches!(self.language, Japanese | Chinese)
    }

    pub fn word(&self, rank: u64) -> String {
        if let Some(word) = self.function_words.get(rank as usize) {
            return (*word).to_owned();
        }
        let base = self.syllables.len() as u64;
        // A fixed permutation, so that neighbours in rank do not look alike.
        let mut rest = rank.wrapping_mul(2_654_435_761) % (base * base * base);
        let syllables = if rank < base { 2 } else { 2 + usize::from(rank.is_multiple_of(3)) };
        let mut word = String::new();
        for _ in 0..syllables {
            word.push_str(&self.syllables[(rest % base) as usize]);
            rest /= base;
        }
        word
    }

    pub fn draw(&self, chance: &mut Chance) -> String {
        self.word(chance.zipf(VOCABULARY_MAX))
    }

    /// A word that is no function word; for subjects and names.
    pub fn content_word(&self, chance: &mut Chance) -> String {
        self.word(self.function_words.len() as u64 + chance.zipf(VOCABULARY_MAX))
    }

    pub fn sentence(&self, chance: &mut Chance) -> String {
        let count = chance.between(4, 18);
        let space = if self.runs_together() { "" } else { " " };
        let mut text = capitalised(&self.draw(chance));
        for n in 1..count {
            if n > 2 && chance.permille(60) {
                text.push_str(if self.runs_together() { "、" } else { "," });
            }
            text.push_str(space);
            match chance.below(60) {
                0 => text.push_str(&chance.below(10_000).to_string()),
                1 => text.push_str(&capitalised(&self.content_word(chance))),
                2 if chance.permille(300) => text.push_str(&format!(
                    "https://www.{}.example/{}",
                    chance.token(7).to_lowercase(),
                    chance.token(9)
                )),
                _ => text.push_str(&self.draw(chance)),
            }
        }
        text.push_str(match (self.runs_together(), chance.below(10)) {
            (true, _) => "。",
            (false, 0) => "?",
            (false, 1) => "!",
            _ => ".",
        });
        text
    }

    pub fn paragraph(&self, chance: &mut Chance) -> String {
        let count = chance.between(1, 6);
        let sentences: Vec<String> = (0..count).map(|_| self.sentence(chance)).collect();
        sentences.join(if self.runs_together() { "" } else { " " })
    }

    pub fn subject(&self, chance: &mut Chance) -> String {
        let count = chance.between(2, 7);
        let words: Vec<String> = (0..count)
            .map(|n| if n % 2 == 0 { self.content_word(chance) } else { self.draw(chance) })
            .collect();
        capitalised(&words.join(if self.runs_together() { "" } else { " " }))
    }
}

pub fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Purpose;
    use std::collections::HashSet;

    #[test]
    fn vocabularies_are_large_and_follow_zipf() {
        for (_, language) in LANGUAGES {
            let vocabulary = Vocabulary::new(language);
            let distinct: HashSet<String> = (0..20_000).map(|rank| vocabulary.word(rank)).collect();
            assert!(distinct.len() > 10_000, "{language:?}: {} of 20000", distinct.len());
        }
        let vocabulary = Vocabulary::new(English);
        let mut chance = Chance::new(1, Purpose::Text, 1);
        let words: Vec<String> = (0..50_000).map(|_| vocabulary.draw(&mut chance)).collect();
        let the = words.iter().filter(|w| *w == "the").count();
        let distinct = words.iter().collect::<HashSet<_>>().len();
        assert!((2_000..6_000).contains(&the), "{the}");
        assert!(distinct > 8_000, "{distinct}");
    }
}
