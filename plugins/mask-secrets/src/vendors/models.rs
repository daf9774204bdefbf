//! Language models and what is built around them.

use crate::format::{
    Format, Found, alnum, between, continues_word, distinct, exactly, hex, least, letter, mixed,
    ruled, run, word,
};
use crate::rules::{ANTHROPIC, MODELS, OPENAI};

/// The formats.
pub const FORMATS: &[Format] = &[
    // Anthropic: https://docs.anthropic.com/en/api/admin-api/apikeys/get-api-key and the console's own examples
    least("sk-ant-", word, 32, ANTHROPIC).checked(mixed),
    // OpenAI: https://platform.openai.com/docs/api-reference/authentication; its keys carry `T3BlbkFJ`, which is `OpenAI`
    least("sk-proj-", word, 32, OPENAI).checked(mixed),
    least("sk-svcacct-", word, 32, OPENAI).checked(mixed),
    least("sk-admin-", word, 32, OPENAI).checked(mixed),
    ruled("T3BlbkFJ", openai, OPENAI),
    // OpenRouter: https://openrouter.ai/docs/api-reference/authentication
    least("sk-or-v1-", hex, 48, MODELS),
    // What others took over from OpenAI (DeepSeek, Moonshot, LiteLLM).
    between("sk-", alnum, 32, 64, MODELS).checked(mixed),
    // Hugging Face: https://huggingface.co/docs/hub/security-tokens
    between("hf_", letter, 30, 40, MODELS),
    exactly("api_org_", letter, 34, MODELS),
    // Groq: https://console.groq.com/docs/quickstart
    between("gsk_", alnum, 40, 60, MODELS),
    // Replicate: https://replicate.com/docs/topics/security/api-tokens
    exactly("r8_", word, 37, MODELS).checked(mixed),
    // Perplexity: https://docs.perplexity.ai/getting-started/api-groups
    between("pplx-", alnum, 40, 60, MODELS),
    // xAI: https://docs.x.ai/docs/tutorial
    exactly("xai-", alnum, 80, MODELS),
    // NVIDIA: https://docs.api.nvidia.com/
    least("nvapi-", word, 48, MODELS),
    // LangSmith: https://docs.smith.langchain.com/administration/how_to_guides/organization_management/create_account_api_key
    least("lsv2_pt_", word, 32, MODELS),
    least("lsv2_sk_", word, 32, MODELS),
    // Pinecone: https://docs.pinecone.io/guides/projects/manage-api-keys
    least("pcsk_", word, 50, MODELS),
    // Tavily: https://docs.tavily.com/documentation/api-reference/introduction
    least("tvly-", word, 24, MODELS),
    // Fireworks: https://docs.fireworks.ai/api-reference/introduction
    exactly("fw_", alnum, 24, MODELS).checked(mixed),
    // ElevenLabs: https://elevenlabs.io/docs/api-reference/authentication
    exactly("sk_", hex, 48, MODELS),
    // Weights & Biases: https://docs.wandb.ai/platform/hosting/iam/service-accounts
    least("wandb_v1_", word, 40, MODELS),
];

/// A key around the mark: `sk-` and twenty characters or more on both sides.
fn openai(bytes: &[u8], at: usize) -> Option<Found> {
    if bytes.get(at..at + 8)? != b"T3BlbkFJ" {
        return None;
    }
    let head = bytes.get(at.saturating_sub(160)..at)?;
    let begin = memchr::memmem::rfind(head, b"sk-")?;
    let start = at - head.len() + begin;
    let length = run(bytes, start, word);
    let before = at - start;
    let fine = before >= 20
        && length >= before + 20
        && !continues_word(bytes, start)
        && distinct(&bytes[start..start + length]) > 12;
    fine.then_some(Found {
        range: start..start + length,
        rule: OPENAI,
    })
}
