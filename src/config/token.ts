/** The agent's token from the environment, where the process list does not show it. */
export function agentToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env.QUANTIX_TOKEN || undefined;
}
