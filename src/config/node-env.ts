/** Imported first and for its effect: libraries show stack traces to clients unless the environment says production. */
process.env.NODE_ENV ??= 'production';
