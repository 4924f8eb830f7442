-- expand
-- Whatever identity writes for a token asks first whether something that the token rests on was revoked.
CREATE INDEX revocations_target ON revocations (target);
