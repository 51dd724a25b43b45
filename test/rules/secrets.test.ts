/** Secrets at rest: what was sealed comes back for its owner alone, and every other use is refused with words that help. */
import { describe, expect, it } from 'vitest';
import { createSecretBox, UnreadableSecretError } from '../../src/core/secrets.js';

const OLD = 'an old key that is long enough to be one';
const NEW = 'a newer key, also as long as it has to be';
const SECRET = 'pässword ☃ 中文';

describe('a sealed secret', () => {
  const box = createSecretBox(OLD);

  it('comes back as it was, and shows nothing of itself', async () => {
    const sealed = await box.seal(SECRET, 'pool-1');
    expect(sealed).not.toContain(SECRET);
    expect(await box.open(sealed, 'pool-1')).toBe(SECRET);
  });

  it('is another text each time: two equal passwords cannot be told to be equal', async () => {
    expect(await box.seal(SECRET, 'pool-1')).not.toBe(await box.seal(SECRET, 'pool-1'));
  });

  it('is refused when any part of it was changed', async () => {
    const parts = (await box.seal(SECRET, 'pool-1')).split('.');
    for (const i of [0, 2, 3, 4]) {
      const part = parts[i] ?? '';
      const first = part.startsWith('A') ? 'B' : 'A';
      const changed = parts.with(i, `${first}${part.slice(1)}`).join('.');
      await expect(box.open(changed, 'pool-1')).rejects.toThrow(UnreadableSecretError);
    }
  });

  it('is refused for another owner: it cannot be moved to another row', async () => {
    const sealed = await box.seal(SECRET, 'pool-1');
    await expect(box.open(sealed, 'pool-2')).rejects.toThrow('moved here from elsewhere');
  });

  it('is refused without its key, by the name of the key, and without its text', async () => {
    const sealed = await box.seal(SECRET, 'pool-1');
    const error = await createSecretBox(NEW)
      .open(sealed, 'pool-1')
      .catch((e: Error) => e);
    expect(error).toBeInstanceOf(UnreadableSecretError);
    expect(String(error)).toMatch(
      /encrypted with the key [0-9a-f]{16}, which auth\.encryption_key_file does not hold/,
    );
    expect(String(error)).not.toContain(SECRET);
  });

  it.each(['', 'not a token', 'a.b.c.d.e', '{}'])('that is %j is refused', async (text) => {
    await expect(box.open(text, 'pool-1')).rejects.toThrow(UnreadableSecretError);
  });
});

describe('rotation', () => {
  it('encrypts with the first key and decrypts with all of them', async () => {
    const sealedBefore = await createSecretBox(OLD).seal(SECRET, 'x');
    const both = createSecretBox(`${NEW}\n\n${OLD}\n`);
    expect(await both.open(sealedBefore, 'x')).toBe(SECRET);
    const sealedSince = await both.seal(SECRET, 'x');
    expect(await createSecretBox(NEW).open(sealedSince, 'x')).toBe(SECRET);
    await expect(createSecretBox(OLD).open(sealedSince, 'x')).rejects.toThrow('does not hold');
  });
});

describe('keys', () => {
  it('that are missing refuse to seal, and say which setting is needed', async () => {
    await expect(createSecretBox(null).seal(SECRET, 'x')).rejects.toMatchObject({
      code: 'NOT_CONFIGURED',
      setting: 'auth.encryption_key_file',
    });
  });

  it('that are too short are refused at once', () => {
    expect(() => createSecretBox(`${NEW}\nshort`)).toThrow('the key 2 is shorter than 32 bytes');
  });
});
