// What Redis and its clients say, told to people who know none of them.
import t from 'tap'
import { inWords, isPassing, withoutAddress } from '#lib/remote/words'

t.test('a log hears plain words and addresses, an error of a job the same without addresses', async (t) => {
  const closed = 'the connection is closed'
  for (const [said, told, toCaller = told] of [
    ["Stream isn't writeable and enableOfflineQueue options is false", closed],
    ["Cluster isn't ready and enableOfflineQueue options is false", closed],
    ['Connection is closed.', closed],
    ["Socket timeout. Expecting data, but didn't receive any in 8000ms.", 'no answer within 8000 ms'],
    ['no answer within 500 ms', 'no answer within 500 ms'],
    ["OOM command not allowed when used memory > 'maxmemory'. script: e9a45b72d4cc0cc3a8fa1ee4cd4a3bb4fef2e5a0, on @user_script:1.", 'its memory is full (maxmemory)'],
    ["NOPERM User app has no permissions to run the 'evalsha' command", "NOPERM User app has no permissions to run the 'evalsha' command"],
    ['UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)', 'it became a replica'],
    ['connect ECONNREFUSED 10.0.0.7:6379', 'connect ECONNREFUSED 10.0.0.7:6379', 'the connection is refused'],
    ['connection refused at 10.0.0.7:6379', 'connection refused at 10.0.0.7:6379', 'the connection is refused'],
    ['connect ETIMEDOUT', 'connect ETIMEDOUT', 'no connection in time'],
    ['getaddrinfo ENOTFOUND redis.internal', 'getaddrinfo ENOTFOUND redis.internal', 'its name is not known'],
    ["Hostname/IP does not match certificate's altnames: IP: 10.0.0.7 is not in the cert's list: ", "Hostname/IP does not match certificate's altnames: IP: 10.0.0.7 is not in the cert's list: ", 'its certificate is not accepted'],
    ['MOVED 3999 10.0.0.7:6381', 'MOVED 3999 10.0.0.7:6381', 'MOVED 3999 its address'],
    ['lost redis.internal:6379 and [2001:db8::1]:6379', 'lost redis.internal:6379 and [2001:db8::1]:6379', 'lost its address and its address']
  ]) {
    t.equal(inWords(said!), told)
    t.equal(withoutAddress(said!), toCaller)
  }
})

t.test('a full Redis passes, an error of the command or of the connection does not', async (t) => {
  const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' })
  t.strictSame([isPassing(reply('OOM command not allowed')), isPassing(reply("READONLY You can't write")), isPassing(reply('WRONGTYPE Operation')), isPassing(new Error('OOM'))],
    [true, true, false, false])
})
