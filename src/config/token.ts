/** The agent's tokens from the environment, where the process list does not show them. */
export function agentToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.QUANTIX_TOKEN || undefined;
}

export function enrolmentToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.QUANTIX_ENROL_TOKEN || undefined;
}
