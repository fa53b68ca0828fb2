// Jobs of thumbs.js.
exports.nothing = (input) => input
exports.countJson = (bytes) => JSON.parse(Buffer.from(bytes).toString()).length
