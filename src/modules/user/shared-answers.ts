/** One question at a time for each key, however many ask. */

/**
 * Who asks while a question is under way shares the next one with all who ask meanwhile: no answer is older than its question,
 * and what a crowd of subscribers asks of one credential at one event is asked once or twice.
 */
export function sharedAnswers<T>(ask: (key: string) => Promise<T>): (key: string) => Promise<T> {
  const underway = new Map<string, { done: Promise<void>; next: Promise<T> | null }>();
  function start(key: string): Promise<T> {
    const answer = ask(key);
    const forget = (): void => {
      if (underway.get(key) === way) underway.delete(key);
    };
    const way = { done: answer.then(forget, forget), next: null };
    underway.set(key, way);
    return answer;
  }
  return (key) => {
    const way = underway.get(key);
    if (!way) return start(key);
    way.next ??= way.done.then(() => start(key));
    return way.next;
  };
}
