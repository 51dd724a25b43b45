/** The floor under a cached answer: plain node:http that fetches a text from Redis and sends it. Run as a process; prints its URL. */
import { createServer } from 'node:http';
import { Redis } from 'ioredis';

const redis = new Redis(JSON.parse(process.env.REDIS));
const server = createServer((request, response) => {
  request.resume().on('end', async () => {
    const text = await redis.get('bench:floor');
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  });
});
server.listen(0, '127.0.0.1', () => {
  console.log(
    JSON.stringify({ msg: 'serving', url: `http://127.0.0.1:${server.address().port}/` }),
  );
});
