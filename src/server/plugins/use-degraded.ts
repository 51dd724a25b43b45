/** Says in every answer what this instance has to do without: nobody should mistake a fallback for health. */
import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Services } from '../../core/context.js';

export function useDegraded(services: Services): Plugin {
  return {
    onExecute: () => ({
      onExecuteDone({ result, setResult }) {
        const degraded = services.degraded();
        if (degraded.length === 0 || Symbol.asyncIterator in (result as object)) return;
        const plain = result as ExecutionResult;
        setResult({ ...plain, extensions: { ...plain.extensions, degraded: [...degraded] } });
      },
    }),
  };
}
