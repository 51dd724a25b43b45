/** The model as one list: each setting with every name it goes by. */
import type { Key } from './key.js';
import { model, type SectionName } from './model.js';

/** One setting, with every name it goes by. */
export type Entry = {
  /** As in the file: `database.password_file`. */
  readonly path: string;
  readonly section: SectionName;
  readonly name: string;
  /** As in the environment: `QUANTIX_DATABASE_PASSWORD_FILE`. */
  readonly variable: string;
  /** The field of `Config` it gives: `password`, within its section. */
  readonly field: string;
  readonly key: Key;
};

/** Every setting, in the order of the model. */
export const entries: readonly Entry[] = Object.entries(model).flatMap(([section, { keys }]) =>
  Object.entries<Key>(keys).map(([name, key]) => ({
    path: `${section}.${name}`,
    section: section as SectionName,
    name,
    variable: `QUANTIX_${section}_${name}`.toUpperCase(),
    field: fieldOf(name, key),
    key,
  })),
);

// The same rule as the type `Field`; a test holds the two together.
function fieldOf(name: string, { kind }: Key): string {
  const stem = kind === 'secretFile' ? name.replace(/_file$/, '') : name;
  const camel = stem.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  return kind === 'duration' ? `${camel}Ms` : camel;
}
