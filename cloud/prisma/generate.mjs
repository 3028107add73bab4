console.log('generate later')
