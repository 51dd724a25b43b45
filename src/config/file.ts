/**
 * Reads config.yaml into settings, each with its line.
 *
 * Faults name keys, never values: what looks like a key may be a secret that lost its own.
 */
import { dirname, resolve } from 'node:path';
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { type Entry, entries } from './entries.js';
import { model } from './model.js';
import { type Report, readText, reason, type Setting } from './setting.js';
import { nearest } from './suggest.js';
import { cleverness, rawOf, syntaxWords, textOf } from './yaml.js';

const FILE_LIMIT = 1024 * 1024;
const MOST_SYNTAX_FAULTS = 5;

/** The settings that a file gives; what is wrong with it goes to `report`. `from` names who asked for the file. */
export function readConfigFile(path: string, from: string, report: Report): Setting[] {
  let text: string;
  try {
    text = readText(path, FILE_LIMIT);
  } catch (cause) {
    report({ path: '', source: from, message: `the configuration file ${path} ${reason(cause)}` });
    return [];
  }
  return new Reader(path, report).read(text);
}

class Reader {
  readonly #path: string;
  readonly #folder: string;
  readonly #report: Report;
  readonly #lines = new LineCounter();

  constructor(path: string, report: Report) {
    this.#path = path;
    this.#folder = dirname(resolve(path));
    this.#report = report;
  }

  read(text: string): Setting[] {
    // Unique keys are checked below, where a fault can name both lines.
    const document = parseDocument<Node>(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: false,
    });
    if (document.errors.length > 0) {
      this.#reportSyntax(document.errors);
      return [];
    }
    return this.#fields('', document.contents, Object.keys(model)).flatMap(({ name, value }) =>
      this.#section(name, value),
    );
  }

  #section(section: string, node: Node | null): Setting[] {
    const known = entries.filter((entry) => entry.section === section);
    const fields = this.#fields(
      section,
      node,
      known.map((entry) => entry.name),
    );
    return fields.flatMap(({ name, line, value }) => {
      const entry = known.find((candidate) => candidate.name === name);
      return entry ? this.#setting(entry, line, value) : [];
    });
  }

  #setting(entry: Entry, line: number, node: Node | null): Setting[] {
    const source = this.#at(line);
    const { raw, unwanted } = rawOf(node);
    if (raw !== undefined) return [{ entry, raw, source, folder: this.#folder }];
    if (unwanted === undefined && entry.key.initial === null) return [];
    const got = unwanted ?? `nothing; without the line it is ${defaultText(entry)}`;
    const message = `expected ${entry.key.expects}, got ${got}`;
    this.#report({ path: entry.path, source, message });
    return [];
  }

  /** The known fields of a mapping; unknown and repeated ones are reported. Nothing at all is an empty mapping. */
  #fields(path: string, node: Node | null, known: readonly string[]): Field[] {
    const clever = cleverness(node);
    if (node === null || (textOf(node) === null && !clever)) return [];
    if (clever || !isMap(node)) {
      const got = clever ?? (isSeq(node) ? 'a list' : 'a single value');
      const what = path === '' ? 'a mapping of sections' : `settings of ${path}`;
      const message = `expected ${what}, got ${got}`;
      this.#report({ path, source: this.#at(this.#line(node)), message });
      return [];
    }
    const seen = new Map<string, Field>();
    for (const pair of node.items) {
      const key = pair.key as Node | null;
      const name = textOf(key) ?? '';
      const line = this.#line(key ?? node);
      const first = seen.get(name);
      const source = this.#at(line);
      if (!known.includes(name)) {
        const shown = join(path, safeName(name, known, node.flow === true));
        this.#report({ path: shown, source, message: unknown(path, name, known) });
      } else if (first) {
        const message = `given twice; the first is on line ${first.line}`;
        this.#report({ path: join(path, name), source, message });
      } else seen.set(name, { name, line, value: pair.value as Node | null });
    }
    return [...seen.values()];
  }

  #reportSyntax(errors: readonly { code: string; pos: readonly [number, number] }[]): void {
    // One mistake makes the parser stumble many times on: a line is reported once.
    const byLine = new Map<number, { column: number; code: string }>();
    for (const { code, pos } of errors) {
      const { line, col } = this.#lines.linePos(pos[0]);
      if (!byLine.has(line)) byLine.set(line, { column: col, code });
    }
    for (const [line, { column, code }] of [...byLine].slice(0, MOST_SYNTAX_FAULTS)) {
      const message = `malformed YAML: ${syntaxWords(code)}`;
      this.#report({ path: '', source: `${this.#at(line)}:${column}`, message });
    }
  }

  #line(node: Node): number {
    return this.#lines.linePos(node.range?.[0] ?? 0).line;
  }

  #at(line: number): string {
    return `${this.#path}:${line}`;
  }
}

type Field = { readonly name: string; readonly line: number; readonly value: Node | null };

function unknown(path: string, name: string, known: readonly string[]): string {
  const what = path === '' ? 'unknown section' : 'unknown key';
  const near = nearest(name, known);
  if (near) return `${what}; did you mean ${join(path, near)}?`;
  const elsewhere = entries.filter((entry) => entry.name === name).map((entry) => entry.path);
  if (elsewhere.length > 0) return `${what}; did you mean ${elsewhere.join(' or ')}?`;
  return `${what}; known here: ${known.join(', ')}`;
}

/**
 * The name as a fault may show it. In `{password: abc,hunter2}` YAML sees a key `hunter2`, and it is
 * half a password: between braces, only what resembles a known name is taken for one.
 */
function safeName(name: string, known: readonly string[], braces: boolean): string {
  const isName = /^[a-z][\w.-]{0,63}$/i.test(name) && (!braces || nearest(name, known) !== null);
  return isName ? name : '(not a name)';
}

function defaultText({ key }: Entry): string {
  const { initial } = key;
  return typeof initial === 'string' ? initial : `[${initial?.join(', ')}]`;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}
