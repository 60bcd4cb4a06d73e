//! Setting and removing annotations (RFC 5464): several in one commit, all or none.

use super::{ChangeError, Shard};
use crate::limits;
use crate::log::CommitKind;
use crate::state::ops::Op;
use crate::types::AccountId;

impl Shard {
    /// Gives annotations these values, or removes those with `None`, in this order. Names are in lower case. What changes nothing
    /// is not written.
    ///
    /// # Errors
    /// A bound of `limits.rs` is passed; nothing is changed then.
    pub async fn annotate(
        &self,
        account: AccountId,
        changes: &[(String, Option<Vec<u8>>)],
    ) -> Result<(), ChangeError> {
        for (name, value) in changes {
            if name.len() > limits::annotation_name_bytes_max {
                return Err(ChangeError::OverLimit("octets of an annotation's name"));
            }
            if value.as_ref().is_some_and(|value| value.len() > limits::annotation_bytes_max) {
                return Err(ChangeError::AnnotationTooLong);
            }
        }
        let alone = self.turn_alone(account).await;
        let ops = self.compute(account, |basis| {
            let before = &basis.account.annotations;
            let mut after = before.clone();
            changes.iter().for_each(|(name, value)| after.set(name, value.as_deref()));
            if after.len() > limits::annotations_per_account_max.max(before.len()) {
                return Err(ChangeError::TooManyAnnotations);
            }
            let differing = after.differing(before).into_iter().map(|name| Op::Annotate {
                value: after.get(&name).map(|value| value.to_vec()),
                name: name.to_string(),
            });
            Ok(differing.collect::<Vec<_>>())
        })?;
        if ops.is_empty() {
            return Ok(());
        }
        let brings = ops.iter().any(|op| matches!(op, Op::Annotate { value: Some(_), .. }));
        let kind = if brings { CommitKind::Delivery } else { CommitKind::Housekeeping };
        // These operations stand in segments whose format has them.
        self.inner.log.begin_annotated();
        let generation = self.inner.log.generation();
        self.enqueue(account, kind, generation, ops, Some(alone))?.await?;
        Ok(())
    }
}
