module.exports = ['hello', 'good evening'];
