/**
 * Refuses bodies of HTML forms. A form on a foreign page can send them without asking this server first,
 * which would be a way to act with a visitor's cookie; JSON cannot be sent across origins unasked.
 * And says in words why there is no answer for a client that accepts none of ours.
 */
import type { Plugin } from 'graphql-yoga';

const FORM = /^\s*(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\s*(;|$)/i;

export function useJsonOnly(): Plugin {
  return {
    onRequest({ request, endResponse, fetchAPI }) {
      if (request.method !== 'POST' || !FORM.test(request.headers.get('content-type') ?? ''))
        return;
      const error = {
        message: 'Send the request as JSON: Content-Type: application/json.',
        extensions: { code: 'BAD_REQUEST', retryable: false },
      };
      endResponse(
        fetchAPI.Response.json(
          { errors: [error] },
          { status: 415, headers: { accept: 'application/json' } },
        ),
      );
    },
    onResponse({ response, setResponse, fetchAPI }) {
      if (response.status !== 406) return;
      const error = {
        message: `Accept one of ${response.headers.get('accept') ?? 'application/json'}.`,
        extensions: { code: 'BAD_REQUEST', retryable: false },
      };
      const headers = new Headers(response.headers);
      headers.set('content-type', 'application/json; charset=utf-8');
      setResponse(
        new fetchAPI.Response(JSON.stringify({ errors: [error] }), { status: 406, headers }),
      );
    },
  };
}
