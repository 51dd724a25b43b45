/** What the ephemeral port fails with. */

/** Redis does not answer, or refuses to; or what was asked for is known to it alone. Asking again later may help. */
export class EphemeralUnavailableError extends Error {
  override readonly name = 'EphemeralUnavailableError';
  constructor(message = 'Redis is away', options?: ErrorOptions) {
    super(message, options);
  }
}
